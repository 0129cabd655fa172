# -o into a folder that does not exist, and over a file that was there before.
echo before > file
"$CORESCAN" missing -o file; echo "exit $?, $(cat file)"
ls
