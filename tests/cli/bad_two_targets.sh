"$CORESCAN" core.1 core.2
