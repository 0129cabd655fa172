"$CORESCAN" core --by-tpye
