echo not a core > core
"$CORESCAN" core -o core
