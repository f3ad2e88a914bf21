"""Stand-ins for Copera and Slack: real HTTP servers on this machine, with no account behind them.

`booking-bridge demo`, the tests and the benchmarks run the service against these. They follow the
published rules of the two services, and where those say nothing the choice is marked "ours".
"""
