"$CORESCAN" --version
