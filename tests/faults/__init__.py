"""What must be survived, and where each of it is proven.

Two workers on PostgreSQL and Redis, a provider that talks with everybody, and people who go on
talking: `rig`. After each fault `Rig.truth` asks whether anything that they were told is missing,
or there twice, and whether ledger, sums and calls agree. The long versions are in `soak`.

 1 kill -9 of workers, of everything      test_processes; soak kills; realtime/test_janitor
 2 SIGTERM, deploys                       test_processes; soak deploys; serving/test_workers
 3 Redis dead, hanging                    test_redis; soak
 4 Redis emptied, full                    test_redis
 5 PostgreSQL restarted, away, pool full  test_postgres; soak; realtime/test_store
 6 few connections for many sockets       test_postgres; soak churn
 7 queries that hang                      test_postgres (answers are heard while all wait)
 8 a provider that cannot be reached      realtime/test_circuits; bridge/test_upstream, test_start
 9 a provider that refuses                realtime/test_circuits; bridge/test_upstream, test_errors
10 a provider that closes mid-answer      bridge/test_reconnect; realtime/test_resume
11 the longest session                    bridge/test_rollover
12 a provider that falls silent           bridge/test_upstream
14 usage that is missing                  realtime/money/test_meter; realtime/test_dead_process
21 two tabs                               e2e/test_two_tabs
22 calls racing for one quota             grown/test_races
23 a quota used up in a call              realtime/money/test_enforcement
24 sent twice, pressed twice              test_submits; realtime/test_resume; money/test_ledger
25 the ledger                             after every test here; realtime/money/test_ledger
26 clocks that are set                    realtime/test_clocks
27 a disk that is full or read-only       test_disk
28 a file that was cut off                test_disk; realtime/test_tracks
49 leaks                                  soak churn

The numbers are those of the project's list of faults. Garbage, floods and slow readers (13, 15 to
20) are with the attacks.
"""
