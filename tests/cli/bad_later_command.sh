"$CORESCAN" diff a b
