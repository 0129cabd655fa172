"$CORESCAN" core by-type
