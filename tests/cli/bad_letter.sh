"$CORESCAN" core -z
