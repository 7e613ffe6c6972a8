"""What calls cost: usage times price becomes rows of the ledger; quotas bound it, reports sum it.

- `usage`, `pricing`, `estimate`: pure; what was used, its cost, a guess when untold
- `ledger`, `rollups`: the rows that hold it, and their daily sums
- `meter`, `allowance`, `keeper`: in a call; taps, what it may still use, its place
- `prices`, `seeds`, `repricing`: which price holds, those we bring, the past at other prices
- `waiting_prices`: what to say of a price that no model has
- `quotas`, `books`, `terms`: what calls may still use, what is used, what a call asks and is told
- `quota_words`, `quota_summary`: limits in words, how much of them is left
- `reports`, `report_filters`, `report_sums`: what was used by whom, and how it is added up
- `report_pages`, `report_files`, `charts`, `why`: the same to be read
- `alerts`, `reconciling`, `provider_costs`: who is told of budgets, and whether the books agree
- `admin`: all of it in Django's admin
"""
