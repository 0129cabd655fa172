"$CORESCAN" --pid 12x
