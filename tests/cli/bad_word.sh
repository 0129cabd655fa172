"$CORESCAN" core --zzzzzzzz
