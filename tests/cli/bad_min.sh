"$CORESCAN" core --min 3q
