/* Stands in for libedgetpu in tests: the plugin interface of TFLite's external delegates.
 *
 * Takes every "edgetpu-custom-op", counts its calls and fills its outputs with the number of the call.
 * What goes wrong is told by the environment: FAKE_EDGETPU is one of "", "no-device", "crash-at-load",
 * "crash-at-open", "crash-at-run", "hang", "refuse", "old-runtime"; FAKE_FAIL_AT is the number of a call that
 * fails; FAKE_SLEEP_MS is how long each call takes. The structures are those of tflite/core/c/common.h.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct {
  int type; void *data; IntArray *dims; float scale; int zero_point; int allocation_type; size_t bytes;
  uint8_t rest[64];
} Tensor;
typedef struct { IntArray *inputs, *outputs; } Node;
struct Context;
struct Delegate;
typedef struct {
  void *(*init)(struct Context *, const char *, size_t);
  void (*free)(struct Context *, void *);
  int (*prepare)(struct Context *, Node *);
  int (*invoke)(struct Context *, Node *);
  const char *(*profiling_string)(struct Context *, Node *);
  int builtin_code; const char *custom_name; int version; void *external, *async_kernel; uint64_t inplace;
} Registration;
typedef struct Context {
  size_t tensors_size;
  int (*get_plan)(struct Context *, IntArray **);
  Tensor *tensors;
  void *impl, *resize;
  void (*report)(struct Context *, const char *, ...);
  void *add_tensors;
  int (*get_node)(struct Context *, int, Node **, Registration **);
  int (*replace)(struct Context *, Registration, const IntArray *, struct Delegate *);
} Context;
typedef struct Delegate {
  void *data; int (*prepare)(Context *, struct Delegate *); void *buffers[3]; int64_t flags; void *opaque;
} Delegate;

static int calls;

static int mode(const char *name) {
  const char *asked = getenv("FAKE_EDGETPU");
  return asked && !strcmp(asked, name);
}
static int number(const char *variable) {
  const char *text = getenv(variable);
  return text ? atoi(text) : 0;
}

__attribute__((constructor)) static void load(void) { if (mode("crash-at-load")) abort(); }

static int prepare_op(Context *context, Node *node) {
  if (!mode("old-runtime")) return 0;
  context->report(context, "Package requires runtime version (14), which is newer than this runtime version (13).");
  return 1;
}
static int invoke(Context *context, Node *node) {
  calls++;
  if (mode("crash-at-run")) *(volatile int *)0 = 1;
  while (mode("hang")) usleep(10000);
  usleep(1000 * number("FAKE_SLEEP_MS"));
  if (calls == number("FAKE_FAIL_AT")) return 1;
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *tensor = context->tensors + node->outputs->data[i];
    memset(tensor->data, calls, tensor->bytes);
  }
  return 0;
}
static int prepare(Context *context, Delegate *delegate) {
  IntArray *plan, *mine;
  if (mode("refuse")) return 1;
  context->get_plan(context, &plan);
  mine = calloc(plan->size + 1, sizeof(int));
  for (int i = 0; i < plan->size; i++) {
    Node *node; Registration *registration;
    context->get_node(context, plan->data[i], &node, &registration);
    if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
      mine->data[mine->size++] = plan->data[i];
  }
  Registration kernel = {.prepare = prepare_op, .invoke = invoke, .custom_name = "fake", .version = 1};
  int status = context->replace(context, kernel, mine, delegate);
  free(mine);
  return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  if (mode("crash-at-open")) abort();
  for (size_t i = 0; i < count; i++)
    if (!strcmp(keys[i], "device") && !strcmp(values[i], "usb:7")) { report("no device usb:7"); return NULL; }
  if (mode("no-device")) return NULL;
  Delegate *delegate = calloc(1, sizeof(Delegate));
  delegate->prepare = prepare;
  delegate->flags = 1;
  return delegate;
}
void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
const char *edgetpu_version(void) { return "BuildLabel(COMPILER=0,DATE=none,TARGET=fake), RuntimeVersion(13)"; }
