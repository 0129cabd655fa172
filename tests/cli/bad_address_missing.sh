"$CORESCAN" core --object
