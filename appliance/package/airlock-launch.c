/*
 * airlock-launch PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM in its own place, with systemd's notification socket already connected on a descriptor whose number
 * stands in AIRLOCK_NOTIFY_FD. Node has no UNIX datagram sockets, but it can write to one that is open; and because
 * the process stays the unit's main process, NotifyAccess=main is enough.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void open_notify_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	char number[16];
	int fd;

	if ((path[0] != '/' && path[0] != '@') || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	/* Not close-on-exec: the program needs it. Non-blocking: a service manager that does not read must not stop it. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length) < 0) {
		close(fd);
		return;
	}
	snprintf(number, sizeof(number), "%d", fd);
	setenv("AIRLOCK_NOTIFY_FD", number, 1);
}

int main(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (argc < 2)
		return 2;
	unsetenv("AIRLOCK_NOTIFY_FD");
	if (path != NULL)
		open_notify_socket(path);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
