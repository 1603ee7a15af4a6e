/* Makes fsync and fdatasync of the process that preloads it take at least LEAST_MS, with the real sync inside. */

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int slowly(long number, int file) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LEAST_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    int result = (int)syscall(number, file);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
    return result;
}

int fsync(int file) { return slowly(SYS_fsync, file); }

int fdatasync(int file) { return slowly(SYS_fdatasync, file); }
