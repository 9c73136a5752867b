/*
 * A PKCS#11 module that forwards to another one and misbehaves on command: the token that no vendor sells for testing.
 * Its orders lie in the directory that it was loaded from:
 *
 *   target   path of the real module
 *   fault    one order: FUNCTION ACTION VALUE EVERY ("once" in place of EVERY takes the file away as it strikes);
 *            FUNCTION "*" means every function, EVERY counts the calls in this process
 *   log      one line is added for every strike and for every C_Login
 *
 * The types are those of PKCS#11 2.40 on Linux, where nothing is packed; only what is used here is spelled out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef struct { ulong type; void *value; ulong length; } attribute;
typedef struct { ulong type; void *parameter; ulong length; } mechanism;
typedef struct { char label[32], maker[32], model[16], serial[16]; ulong flags; } token_info;

enum { FUNCTIONS = 68 };
typedef struct { unsigned char version[2]; void *call[FUNCTIONS]; } function_list;
/* Places in CK_FUNCTION_LIST. */
enum { INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, GET_ATTRIBUTE = 24,
       FIND_INIT = 26, FIND = 27, FIND_FINAL = 28, SIGN_INIT = 42, SIGN = 43, GENERATE_PAIR = 59 };

static const ulong DEVICE_REMOVED = 0x32, CLASS = 0, PRIVATE_KEY = 3;
static function_list real, mine;
static char directory[4000];
static mechanism last_mechanism;
static ulong last_key;

#define REAL(place, ...) (((ulong (*)())real.call[place])(__VA_ARGS__))

static int read_file(const char *name, char *text, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, size - 1);
  close(fd);
  text[length > 0 ? length : 0] = 0;
  text[strcspn(text, "\n")] = 0;
  return length > 0;
}

static void note(const char *function, const char *what, ulong value) {
  char path[4096], line[256];
  snprintf(path, sizeof path, "%s/log", directory);
  int length = snprintf(line, sizeof line, "%s %s %lu\n", function, what, value);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, line, length) != length) abort();
  close(fd);
}

typedef struct { char action[32]; ulong value; int strikes; } fault;

/* The fault that strikes this call, if any; delays, hangs and crashes are over (or never) when it returns. */
static fault strike(const char *function) {
  static int calls;
  char text[256], name[64], every[16] = "1";
  fault f = {"", 0, 0};
  if (!read_file("fault", text, sizeof text)) return f;
  if (sscanf(text, "%63s %31s %li %15s", name, f.action, (long *)&f.value, every) < 3) return f;
  if (strcmp(name, function) != 0 && strcmp(name, "*") != 0) return f;
  if (strcmp(every, "once") == 0) {
    char path[4096];
    snprintf(path, sizeof path, "%s/fault", directory);
    if (unlink(path) != 0) return f;
  } else if (++calls % atoi(every) != 0) {
    return f;
  }
  f.strikes = 1;
  note(function, f.action, f.value);
  if (strcmp(f.action, "delay") == 0) nanosleep(&(struct timespec){f.value / 1000, f.value % 1000 * 1000000}, NULL);
  if (strcmp(f.action, "hang") == 0) for (;;) pause();
  if (strcmp(f.action, "crash") == 0) { signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); }
  if (strcmp(f.action, "exit") == 0) _exit((int)f.value);
  return f;
}

static int is(const fault *f, const char *action) { return f->strikes && strcmp(f->action, action) == 0; }

/* "rc" answers without the token, "rc-after" once the token has done its work. */
#define FORWARD(function, place, ...)                                            \
  fault f = strike(function);                                                    \
  if (is(&f, "rc")) return f.value;                                              \
  if (is(&f, "vanish")) return DEVICE_REMOVED;                                   \
  ulong result = REAL(place, __VA_ARGS__);                                       \
  if (is(&f, "rc-after")) return f.value

static ulong initialize(void *arguments) {
  FORWARD("C_Initialize", INITIALIZE, arguments);
  return result;
}

static ulong get_slot_list(unsigned char present, ulong *slots, ulong *count) {
  fault f = strike("C_GetSlotList");
  if (is(&f, "rc")) return f.value;
  if (is(&f, "vanish") || is(&f, "none")) return *count = 0;
  return REAL(GET_SLOT_LIST, present, slots, count);
}

static ulong get_token_info(ulong slot, token_info *info) {
  FORWARD("C_GetTokenInfo", GET_TOKEN_INFO, slot, info);
  if (is(&f, "flags")) info->flags |= f.value;
  return result;
}

static ulong open_session(ulong slot, ulong flags, void *application, void *notify, ulong *session) {
  FORWARD("C_OpenSession", OPEN_SESSION, slot, flags, application, notify, session);
  return result;
}

static ulong login(ulong session, ulong user, char *pin, ulong length) {
  fault f = strike("C_Login");
  if (is(&f, "print")) fprintf(stderr, "C_Login pin=%.*s\n", (int)length, pin);
  ulong result = is(&f, "rc") ? f.value : is(&f, "vanish") ? DEVICE_REMOVED : REAL(LOGIN, session, user, pin, length);
  note("C_Login", "answer", is(&f, "rc-after") ? f.value : result);
  return is(&f, "rc-after") ? f.value : result;
}

static ulong get_attribute(ulong session, ulong object, attribute *attributes, ulong count) {
  FORWARD("C_GetAttributeValue", GET_ATTRIBUTE, session, object, attributes, count);
  for (ulong i = 0; i < count && result == 0; i++) {
    attribute *a = &attributes[i];
    if (is(&f, "unavailable")) a->length = (ulong)-1;
    if (is(&f, "garbage") && a->value != NULL && a->length != (ulong)-1) memset(a->value, 0xa5, a->length);
    /* The value names a flag whose answer is turned round: 0x162 is CKA_EXTRACTABLE. */
    if (is(&f, "lie") && a->type == f.value && a->value != NULL) *(unsigned char *)a->value ^= 1;
  }
  return result;
}

static ulong find_init(ulong session, attribute *template, ulong count) {
  FORWARD("C_FindObjectsInit", FIND_INIT, session, template, count);
  return result;
}

static ulong find(ulong session, ulong *objects, ulong max, ulong *count) {
  FORWARD("C_FindObjects", FIND, session, objects, max, count);
  if (is(&f, "none")) *count = 0;
  return result;
}

static ulong find_final(ulong session) {
  FORWARD("C_FindObjectsFinal", FIND_FINAL, session);
  return result;
}

/* Another private key of the token. */
static ulong other_key(ulong session, ulong key) {
  ulong class = PRIVATE_KEY, found[16], count = 0;
  attribute wanted = {CLASS, &class, sizeof class};
  REAL(FIND_INIT, session, &wanted, 1);
  REAL(FIND, session, found, 16, &count);
  REAL(FIND_FINAL, session);
  for (ulong i = 0; i < count; i++) if (found[i] != key) return found[i];
  abort();
}

static ulong sign_init(ulong session, mechanism *how, ulong key) {
  fault f = strike("C_SignInit");
  if (is(&f, "rc")) return f.value;
  if (is(&f, "vanish")) return DEVICE_REMOVED;
  if (is(&f, "other-key")) key = other_key(session, key);
  last_mechanism = *how;
  last_key = key;
  return REAL(SIGN_INIT, session, how, key);
}

static ulong sign(ulong session, unsigned char *data, ulong length, unsigned char *signature, ulong *size) {
  FORWARD("C_Sign", SIGN, session, data, length, signature, size);
  if (result != 0 || signature == NULL) return result;
  if (is(&f, "garbage")) memset(signature, 0x5a, *size);
  if (is(&f, "ones")) memset(signature, 0xff, *size);
  if (is(&f, "zeros")) memset(signature, 0, *size);
  if (is(&f, "length")) *size = f.value;
  if (is(&f, "flip")) signature[*size - 1] ^= 1;
  /* A valid signature whose byte at this place is zero: 0 is r's first, 32 is s's first for P-256. */
  while (is(&f, "leading-zero") && signature[f.value] != 0) {
    if (REAL(SIGN_INIT, session, &last_mechanism, last_key) != 0) abort();
    if (REAL(SIGN, session, data, length, signature, size) != 0) abort();
  }
  return result;
}

static ulong generate_pair(ulong session, mechanism *how, attribute *public, ulong publics, attribute *private,
                           ulong privates, ulong *public_key, ulong *private_key) {
  FORWARD("C_GenerateKeyPair", GENERATE_PAIR, session, how, public, publics, private, privates, public_key, private_key);
  return result;
}

static void load(void) {
  Dl_info self;
  char target[4096], copy[4096];
  if (dladdr((void *)load, &self) == 0) abort();
  snprintf(copy, sizeof copy, "%s", self.dli_fname);
  snprintf(directory, sizeof directory, "%s", dirname(copy));
  if (!read_file("target", target, sizeof target)) abort();
  void *library = dlopen(target, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) { fprintf(stderr, "%s\n", dlerror()); abort(); }
  function_list *list;
  if (((ulong (*)(function_list **))dlsym(library, "C_GetFunctionList"))(&list) != 0) abort();
  real = mine = *list;
}

ulong C_GetFunctionList(function_list **list);
ulong C_GetFunctionList(function_list **list) {
  load();
  mine.call[INITIALIZE] = initialize;
  mine.call[GET_SLOT_LIST] = get_slot_list;
  mine.call[GET_TOKEN_INFO] = get_token_info;
  mine.call[OPEN_SESSION] = open_session;
  mine.call[LOGIN] = login;
  mine.call[GET_ATTRIBUTE] = get_attribute;
  mine.call[FIND_INIT] = find_init;
  mine.call[FIND] = find;
  mine.call[FIND_FINAL] = find_final;
  mine.call[SIGN_INIT] = sign_init;
  mine.call[SIGN] = sign;
  mine.call[GENERATE_PAIR] = generate_pair;
  *list = &mine;
  return 0;
}
