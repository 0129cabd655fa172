"$CORESCAN" core --format xml
