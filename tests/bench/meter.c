/* Runs a command and says on standard output what it took, a JSON object a run.
 *
 *   meter [-r ROOT] [-n TIMES] [-i STDIN] [-m FD3] [-o OUTPUT] COMMAND ARGUMENT...
 *
 * In COMMAND's arguments, STDIN and FD3 every "{}" is the number of the run, 0 to TIMES - 1. Wall time is from before
 * the fork to after the wait; user and system time are the child's and its children's; the peak is its resident set's,
 * in KiB. A parent of this size matters: a process begins with its parent's peak, and a large parent's fork is slow.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char* what) {
  perror(what);
  _exit(127);
}

static char* numbered(const char* text, int number) {
  size_t length = strlen(text), at = 0;
  char* made = malloc(8 * length + 16); /* a number has at most ten digits, in place of two characters */
  if (!made) die("malloc");
  for (const char* from = text; *from;) {
    if (from[0] == '{' && from[1] == '}') {
      at += (size_t)sprintf(made + at, "%d", number);
      from += 2;
    } else {
      made[at++] = *from++;
    }
  }
  made[at] = '\0';
  return made;
}

static void open_as(int fd, const char* path, int flags) {
  int opened = open(path, flags, 0644);
  if (opened < 0) die(path);
  if (opened == fd) return;
  if (dup2(opened, fd) < 0) die(path);
  close(opened);
}

static double seconds(const struct timeval* time) {
  return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  const char *root = NULL, *input = "/dev/null", *message = NULL, *output = "/dev/null";
  int times = 1;
  for (int option; (option = getopt(argc, argv, "+r:n:i:m:o:")) != -1;) {
    switch (option) {
      case 'r':
        root = optarg;
        break;
      case 'n':
        times = atoi(optarg);
        break;
      case 'i':
        input = optarg;
        break;
      case 'm':
        message = optarg;
        break;
      case 'o':
        output = optarg;
        break;
      default:
        return 64;
    }
  }
  if (optind == argc) return 64;
  for (int number = 0; number < times; ++number) {
    char** words = calloc((size_t)(argc - optind) + 1, sizeof *words);
    if (!words) die("calloc");
    for (int word = optind; word < argc; ++word) words[word - optind] = numbered(argv[word], number);
    char* from = numbered(input, number);
    char* and_from = message ? numbered(message, number) : NULL;

    double begin = now();
    pid_t child = fork();
    if (child < 0) die("fork");
    if (child == 0) {
      open_as(0, from, O_RDONLY);
      open_as(1, output, O_WRONLY | O_CREAT | O_APPEND);
      if (dup2(1, 2) < 0) die("dup2");
      if (and_from) open_as(3, and_from, O_RDONLY);
      if (root && (chroot(root) != 0 || chdir("/") != 0)) die(root);
      execv(words[0], words);
      die(words[0]);
    }
    int status;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) < 0) die("wait4");
    double end = now();

    printf("{\"status\": %d, \"wall\": %.6f, \"cpu\": %.6f, \"peak\": %ld}\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), end - begin,
           seconds(&usage.ru_utime) + seconds(&usage.ru_stime), usage.ru_maxrss);
  }
  return 0;
}
