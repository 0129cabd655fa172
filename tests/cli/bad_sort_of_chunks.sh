"$CORESCAN" /dev/null --chunks 0 --sort size
