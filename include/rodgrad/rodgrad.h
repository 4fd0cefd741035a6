/* rodgrad/rodgrad.h: all public headers of librodgrad. Those of librodgrad_io are io.h and study.h. */
#ifndef RODGRAD_RODGRAD_H
#define RODGRAD_RODGRAD_H

#include "rodgrad/batch.h"
#include "rodgrad/batch_float.h"
#include "rodgrad/context.h"
#include "rodgrad/executor.h"
#include "rodgrad/field.h"
#include "rodgrad/layout.h"
#include "rodgrad/model.h"
#include "rodgrad/fit.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"
#include "rodgrad/section.h"
#include "rodgrad/status.h"
#include "rodgrad/version.h"

#endif
