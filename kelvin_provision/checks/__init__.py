"""Looking before touching: what `workloads check` and `doctor` ask, as small functions over plain facts."""
