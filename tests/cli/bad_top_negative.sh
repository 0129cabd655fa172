"$CORESCAN" core --by-type --top -1
