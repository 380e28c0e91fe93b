// Counts a program's storage calls, and makes one of them the last, or a failing one. Loaded with LD_PRELOAD;
// see README.md beside it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol) abort();
    return symbol;
}

static _Atomic long own_count;
static _Atomic long *count = &own_count;
static long kill_at, error_at, tear_at;
static int error_code, error_stays, lies, names_all;
static int log_file = -1, bytes_file = -1;
static char under[PATH_MAX];
static char pause_call[16];
static const char *pause_path;
static _Atomic int paused;
static _Atomic int ready;

static int errno_of(const char *name) {
    static const struct { const char *name; int code; } known[] = {
        {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS},
        {"EMFILE", EMFILE}, {"EACCES", EACCES}, {"EINTR", EINTR}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].code;
    return atoi(name);
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) static void start(void) {
    kill_at = number("VARVE_FAULT_KILL_AT");
    tear_at = number("VARVE_FAULT_TEAR_AT");
    error_at = number("VARVE_FAULT_ERROR_AT");
    error_stays = number("VARVE_FAULT_ERROR_STAYS") != 0;
    lies = number("VARVE_FAULT_LIE") != 0;
    names_all = number("VARVE_FAULT_NAMES_ALL") != 0;
    error_code = getenv("VARVE_FAULT_ERROR") ? errno_of(getenv("VARVE_FAULT_ERROR")) : EIO;
    if (getenv("VARVE_FAULT_UNDER") && !realpath(getenv("VARVE_FAULT_UNDER"), under)) abort();
    const char *pause = getenv("VARVE_FAULT_PAUSE_BEFORE");
    const char *colon = pause ? strchr(pause, ':') : NULL;
    if (colon && (size_t)(colon - pause) < sizeof pause_call) {
        memcpy(pause_call, pause, (size_t)(colon - pause));
        pause_path = colon + 1;
    }
    if (getenv("VARVE_FAULT_LOG"))
        log_file = REAL(open)(getenv("VARVE_FAULT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("VARVE_FAULT_BYTES"))
        bytes_file = REAL(open)(getenv("VARVE_FAULT_BYTES"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (getenv("VARVE_FAULT_COUNTER")) {
        int file = REAL(open)(getenv("VARVE_FAULT_COUNTER"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || REAL(ftruncate)(file, sizeof(long)) != 0) abort();
        count = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (count == MAP_FAILED) abort();
    }
    ready = 1;
}

// The absolute path of `name` in the directory `fd`, or of `fd` itself when there is no name.
static void place(int fd, const char *name, char *path) {
    path[0] = 0;
    if (name && name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    char link[64];
    if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) length = 0;
    path[length] = 0;
    if (name && length + strlen(name) + 2 < PATH_MAX) {
        path[length] = '/';
        strcpy(path + length + 1, name);
    }
}

static int concerns(const char *path) {
    size_t length = strlen(under);
    if (path[0] != '/') return 0;
    if (length == 0) return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0;
    return strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0);
}

// What a call does beyond its line in the log, so that it can be done again: `what` is `bytes` at the offset `number`,
// `size`, `mode`, `time` (in nanoseconds), `exclusive`, or `told`: standard output, after so many calls.
struct detail {
    const char *what;
    long number;
    const void *bytes;
    size_t size;
};

static void keep(long call, const struct detail *detail) {
    char head[96];
    int length = snprintf(head, sizeof head, "%ld %s %ld %zu\n", call, detail->what, detail->number, detail->size);
    struct iovec pieces[] = {{head, (size_t)length}, {(void *)detail->bytes, detail->size}};
    if (REAL(writev)(bytes_file, pieces, 2) != (ssize_t)(length + detail->size)) abort();
}

enum fate { PASS, FAIL, TEAR };

static enum fate fate(const char *call, const char *path, const char *other, const struct detail *detail) {
    // A file without a name is linked from /proc/self/fd.
    if (!ready || !(concerns(path) || (other && concerns(other)))) return PASS;
    long this = atomic_fetch_add(count, 1) + 1;
    if (bytes_file >= 0 && detail) keep(this, detail);
    if (log_file >= 0) {
        char line[3 * PATH_MAX];
        int length = other ? snprintf(line, sizeof line, "%ld\t%s\t%s\t%s\n", this, call, path, other)
                           : snprintf(line, sizeof line, "%ld\t%s\t%s\n", this, call, path);
        ssize_t written = REAL(write)(log_file, line, (size_t)length);
        (void)written;
    }
    if (pause_path && strcmp(call, pause_call) == 0 &&
        (strstr(path, pause_path) || (other && strstr(other, pause_path))) && !atomic_exchange(&paused, 1))
        kill(getpid(), SIGSTOP);
    if (this == kill_at) raise(SIGKILL);
    if (this == tear_at) return TEAR;
    if (error_at && (this == error_at || (error_stays && this > error_at))) {
        errno = error_code;
        return FAIL;
    }
    return PASS;
}

#define FD_CALL(call, fd, ...)                                                                                      \
    char path[PATH_MAX];                                                                                            \
    int before = errno;                                                                                             \
    place(fd, NULL, path);                                                                                          \
    const struct detail detail = {__VA_ARGS__};                                                                     \
    enum fate fate_of_call = fate(call, path, NULL, detail.what ? &detail : NULL);                                  \
    if (fate_of_call == FAIL) return -1;                                                                            \
    errno = before;

static ssize_t torn(int fd, const void *bytes, size_t size, off_t offset) {
    ssize_t written = offset < 0 ? REAL(write)(fd, bytes, size / 2) : REAL(pwrite)(fd, bytes, size / 2, offset);
    (void)written;
    raise(SIGKILL);
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (bytes_file >= 0 && fd == STDOUT_FILENO) keep(atomic_load(count), &(struct detail){"told", 0, bytes, size});
    FD_CALL("write", fd, "bytes", lseek(fd, 0, SEEK_CUR), bytes, size)
    if (fate_of_call == TEAR) return torn(fd, bytes, size, -1);
    return REAL(write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    FD_CALL("write", fd, "bytes", offset, bytes, size)
    if (fate_of_call == TEAR) return torn(fd, bytes, size, offset);
    return REAL(pwrite)(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    FD_CALL("write", fd, "bytes", offset, bytes, size)
    if (fate_of_call == TEAR) return torn(fd, bytes, size, offset);
    return REAL(pwrite64)(fd, bytes, size, offset);
}

ssize_t writev(int fd, const struct iovec *pieces, int number_of_pieces) {
    FD_CALL("write", fd)
    return REAL(writev)(fd, pieces, number_of_pieces);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size, unsigned int flags) {
    if (bytes_file >= 0) { // the caller goes on with bytes that pass through here
        errno = ENOSYS;
        return -1;
    }
    FD_CALL("write", out)
    return REAL(copy_file_range)(in, in_at, out, out_at, size, flags);
}

int fsync(int fd) {
    FD_CALL("fsync", fd)
    return lies ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    FD_CALL("fsync", fd)
    return lies ? 0 : REAL(fdatasync)(fd);
}

int syncfs(int fd) {
    FD_CALL("syncfs", fd)
    return lies ? 0 : REAL(syncfs)(fd);
}

int ftruncate(int fd, off_t size) {
    FD_CALL("write", fd, "size", size)
    return REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    FD_CALL("write", fd, "size", size)
    return REAL(ftruncate64)(fd, size);
}

int fchmod(int fd, mode_t mode) {
    FD_CALL("fchmod", fd, "mode", mode)
    return REAL(fchmod)(fd, mode);
}

int futimens(int fd, const struct timespec times[2]) {
    FD_CALL("futimens", fd, "time", times ? times[1].tv_sec * 1000000000 + times[1].tv_nsec : 0)
    return REAL(futimens)(fd, times);
}

#define NAME_CALL(call, fd, name)                                                                                   \
    char path[PATH_MAX];                                                                                            \
    int before = errno;                                                                                             \
    place(fd, name, path);                                                                                          \
    if (fate(call, path, NULL, NULL) == FAIL) return -1;                                                            \
    errno = before;

int unlink(const char *name) {
    NAME_CALL("unlink", AT_FDCWD, name)
    return REAL(unlink)(name);
}

int unlinkat(int fd, const char *name, int flags) {
    NAME_CALL("unlink", fd, name)
    return REAL(unlinkat)(fd, name, flags);
}

int rmdir(const char *name) {
    NAME_CALL("unlink", AT_FDCWD, name)
    return REAL(rmdir)(name);
}

int mkdir(const char *name, mode_t mode) {
    NAME_CALL("mkdir", AT_FDCWD, name)
    return REAL(mkdir)(name, mode);
}

int mkdirat(int fd, const char *name, mode_t mode) {
    NAME_CALL("mkdir", fd, name)
    return REAL(mkdirat)(fd, name, mode);
}

#define TWO_NAMES_CALL(call, from, name, to, new_name, ...)                                                         \
    char path[PATH_MAX], other[PATH_MAX];                                                                           \
    int before = errno;                                                                                             \
    place(from, name, path);                                                                                        \
    place(to, new_name, other);                                                                                     \
    const struct detail detail = {__VA_ARGS__};                                                                     \
    if (fate(call, path, other, detail.what ? &detail : NULL) == FAIL) return -1;                                   \
    errno = before;

int rename(const char *name, const char *new_name) {
    TWO_NAMES_CALL("rename", AT_FDCWD, name, AT_FDCWD, new_name)
    return REAL(rename)(name, new_name);
}

int renameat(int from, const char *name, int to, const char *new_name) {
    TWO_NAMES_CALL("rename", from, name, to, new_name)
    return REAL(renameat)(from, name, to, new_name);
}

int renameat2(int from, const char *name, int to, const char *new_name, unsigned int flags) {
    TWO_NAMES_CALL("rename", from, name, to, new_name, flags & 1 ? "exclusive" : NULL) // RENAME_NOREPLACE
    return REAL(renameat2)(from, name, to, new_name, flags);
}

int link(const char *name, const char *new_name) {
    TWO_NAMES_CALL("link", AT_FDCWD, name, AT_FDCWD, new_name)
    return REAL(link)(name, new_name);
}

int linkat(int from, const char *name, int to, const char *new_name, int flags) {
    TWO_NAMES_CALL("link", from, name, to, new_name)
    return REAL(linkat)(from, name, to, new_name, flags);
}

// Opening is a storage call only where it makes a file.
#define OPEN(symbol, fd, name, flags, forward)                                                                      \
    mode_t mode = 0;                                                                                                \
    if (flags & O_CREAT) {                                                                                          \
        va_list arguments;                                                                                          \
        va_start(arguments, flags);                                                                                 \
        mode = va_arg(arguments, mode_t);                                                                           \
        va_end(arguments);                                                                                          \
        NAME_CALL("create", fd, name)                                                                               \
    }                                                                                                               \
    return forward;

int open(const char *name, int flags, ...) { OPEN(open, AT_FDCWD, name, flags, REAL(open)(name, flags, mode)) }

int open64(const char *name, int flags, ...) { OPEN(open64, AT_FDCWD, name, flags, REAL(open64)(name, flags, mode)) }

int openat(int fd, const char *name, int flags, ...) {
    OPEN(openat, fd, name, flags, REAL(openat)(fd, name, flags, mode))
}

int openat64(int fd, const char *name, int flags, ...) {
    OPEN(openat64, fd, name, flags, REAL(openat64)(fd, name, flags, mode))
}

// openat2 has no wrapper in glibc, so it comes through here.
long syscall(long number, ...) {
    va_list arguments;
    va_start(arguments, number);
    long argument[6];
    for (int i = 0; i < 6; i++) argument[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_openat2) {
        const struct open_how *how = (const struct open_how *)argument[2];
        if (names_all && (how->flags & O_TMPFILE) == O_TMPFILE) {
            errno = EOPNOTSUPP;
            return -1;
        }
        if (how->flags & O_CREAT) { NAME_CALL("create", (int)argument[0], (const char *)argument[1]) }
    }
    return REAL(syscall)(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}
