"$CORESCAN" core --json=yes
