import CSystem
import Glibc

// A reader that leaves and a file that grows too large are errors of a call, not the end of the process.
signal(SIGPIPE, SIG_IGN)
signal(SIGXFSZ, SIG_IGN)
Interruption.listen()
// Names in workbooks' archives are text only where the locale says what text is.
setlocale(LC_CTYPE, "C.UTF-8")
varve_return_freed_memory()

exit(Session().run(Array(CommandLine.arguments.dropFirst())))
