"""What must be survived, and where each of it is proven.

Two workers on PostgreSQL and Redis, a provider that talks with everybody, and people who go on
talking: `rig`. After each fault `Rig.truth` asks whether anything that they were told is missing,
or there twice, and whether ledger, sums and calls agree. The long versions are in `soak`.

 1 kill -9 of workers, of everything      test_processes; soak kills; realtime/calls/test_janitor;
                                         realtime/keeping/test_encoding
 2 SIGTERM, deploys                       test_processes; soak deploys; serving/test_workers (order)
 3 Redis dead, hanging                    test_redis; soak
 4 Redis emptied, full                    test_redis
 5 PostgreSQL restarted, away, pool full  test_postgres; soak; realtime/keeping/test_store
 6 few connections for many sockets       test_postgres; soak churn
 7 queries that hang                      test_postgres; realtime/test_consumer (blocked database)
 8 a provider that cannot be reached      realtime/providers/test_circuits; bridge/test_upstream
 9 a provider that refuses                realtime/providers/test_circuits; bridge/test_errors
10 a provider that closes mid-answer      bridge/test_reconnect; realtime/test_consumer (kept)
11 the longest session                    bridge/test_rollover, test_reconnect (limit, expired)
12 a provider that falls silent           bridge/test_upstream, test_reconnect
13 garbage, doubled, out of order         attack/test_fuzz_provider; bridge/test_call (properties)
14 usage that is missing                  realtime/money/test_meter;
                                          realtime/calls/test_dead_process
15 a page that does not read              realtime/test_slow_reader; bridge/test_writer
16 floods                                 attack/test_floods; bridge/test_limits
17 frames that are too large              attack/test_floods; realtime/test_consumer
18 nonsense from a page                   attack/test_fuzz_client; realtime/test_consumer
19 events in the wrong order              bridge/test_call, test_browser; attack/test_fuzz_client
20 a socket on which nothing is said      bridge/test_browser, test_run (idle); attack/test_floods
21 two tabs                               e2e/test_two_tabs
22 calls racing for one quota             grown/test_races
23 a quota used up in a call              realtime/money/test_enforcement
24 sent twice, pressed twice              test_submits; realtime/calls/test_resume;
                                          realtime/money/test_ledger
25 the ledger                             after every test here; realtime/money/test_ledger
26 clocks that are set                    realtime/test_clocks;
                                          realtime/calls/test_janitor (patience)
27 a disk that is full, read-only, hangs   test_disk; realtime/keeping/test_tracks (hangs)
28 a file that was cut off                test_disk; realtime/keeping/test_tracks
29 an object store that is away           test_store_away; chats/test_bucket; serving/test_s3
49 leaks                                  soak churn

The numbers are those of the project's list of faults; 30 to 43 are with the attacks.
"""
