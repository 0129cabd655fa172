"$CORESCAN" core --summary --by-type --format csv
