"$CORESCAN" core --object nowhere
