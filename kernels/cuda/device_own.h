/* cuda/device_own.h: what a device (device.h) holds, for device.c and device_kernels.c. */
#ifndef RGI_DEVICE_OWN_H
#define RGI_DEVICE_OWN_H

#include "device.h"
#include "driver.h"
#include "images.h"

enum { RGI_DEVICE_NAME = 64 };

typedef struct rgi_module {
    struct rgi_module *next;
    char name[RGI_DEVICE_NAME];
    rgi_cu_module handle;
    char kernels[8][RGI_DEVICE_NAME]; /* names that were asked for */
} rgi_module;

/* a timed launch */
typedef struct rgi_span {
    rgi_cu_event begin, end;
} rgi_span;

struct rgi_device {
    int index, own_stream;
    const rgi_driver *driver;
    rgi_cu_device handle;
    rgi_cu_context context;
    rgi_cu_stream stream, home; /* in use; the device's own, or that of its options */
    rgi_cu_event moved;         /* between the work of two streams; NULL before there were two */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
    char *folder;        /* of kernels that are preferred to the library's; or NULL */
    rgi_module *modules; /* that are loaded */
    int timing;
    rgi_span *spans; /* [room], of which n_spans were recorded */
    size_t n_spans, room;
    rgi_device_facts facts;
};

/* the sentence of a call of the driver that failed, with what to do where that is known: RG_ERR_DEVICE */
rg_status rgi_device_fail(const rgi_driver *driver, rg_error *err, const char *call, rgi_cu_result error);

/* what to do after it, or "" */
const char *rgi_device_advice(rgi_cu_result error);

/* The image of a module that a chip runs best: machine code of its own generation, the newest that is not newer than
 * it, or else the newest PTX that is not newer; NULL: there is none. module NULL: of any. */
const rgi_image *rgi_device_image(int compute, const char *module_name);

/* forget all modules and times of launches, and unload them where the GPU's context is the current one */
void rgi_device_unload(rgi_device *device, int current);

#endif
