"$CORESCAN" core --by-size --type 'x*'
