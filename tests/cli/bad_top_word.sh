"$CORESCAN" core --by-type --top x
