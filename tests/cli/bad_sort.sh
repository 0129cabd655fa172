"$CORESCAN" core --by-type --sort weight
