"""What somebody hostile may try, and the tests that try it.

Most tests stand beside what they protect; these are the places to look (folders of `tests/`).

    who may see and do what, by every route      attack/test_access (access.txt), and by socket and
                                                 event attack/test_sockets; realtime/test_watching
    forms and sockets of other sites             attack/test_access, realtime/test_origin
    signed out, shut out or removed in a call    realtime/calls/test_resume,
                                                 realtime/test_consumer, test_watching
    sessions and cookies                         attack/test_sign_in
    keys that leak                               realtime/test_canary, test_logs, test_sealing
    addresses inside our own network             bridge/test_guard, test_reach, test_upstream;
                                                 realtime/test_outbound, providers/test_endpoints,
                                                 tools/test_services
    injected headers                             bridge/test_reach, test_target,
                                                 realtime/providers/test_forms,
                                                 realtime/tools/test_openapi
    stored scripts                               e2e/test_stored_attacks (xss.py)
    tools that loop, are slow, huge or malicious bridge/test_tools, realtime/tools/test_services,
                                                 realtime/tools/test_tool_approvals
    uploads: bombs, wrong kinds, no end          chats/test_attachment_files, test_attachments,
                                                 test_large_bodies
    names that want to be paths                  attack/test_paths, chats/test_attachments
    formulas in reports, and huge ones           realtime/money/test_report_admin,
                                                 realtime/money/test_report_files
    guessing passwords, keys and names           attack/test_sign_in, api/test_handshake
    admins who look                              attack/test_audit_trail; chats/test_admin_fields
    floods and frames of no length               attack/test_floods, bridge/test_limits,
                                                 realtime/test_slow_reader, api/test_bounds
    nonsense in either direction                 attack/test_fuzz_client, test_fuzz_provider
"""
