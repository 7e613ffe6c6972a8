"""What calls cost. Usage times price gives rows of the ledger; quotas limit it, reports add it up.

- `usage`, `pricing`, `estimate`: pure functions: usage as counts, counts as money, and a guess at
  both where the provider is silent
- `ledger`, `rollups`, `anonymous`: the rows, their daily sums, and rows of people who are gone
- `meter`, `turns`, `connected_time`, `settling`: what one call uses, on its way into the ledger
- `allowance`, `keeper`, `renewing`, `renewer`: what a call may still use, checked while it runs
- `quotas`, `books`, `spending`, `terms`: limits, what is used of them, and what is left to a call
- `quota_words`, `quota_summary`: limits and what is left of them, in words
- `prices`, `seeds`, `repricing`, `waiting_prices`: the price at a time, prices that come with the
  site, the past at other prices, models without a price
- `reports`, `report_filters`, `report_sums`: usage by day, person, model and so on
- `report_pages`, `report_files`, `report_xlsx`, `charts`, `why`: the same as pages and files
- `alerts`, `reconciling`, `provider_costs`: budget alerts, and comparing with providers' invoices
- `admin`: all of it in Django's admin
"""
