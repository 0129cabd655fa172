"$CORESCAN" core --by-type --top
