/* core/delivery_lane.h — one lane on its connection. Inside of core/delivery.
 *
 * Threads: the delivery's.
 */
#pragma once

#include "core/delivery.h"

/* NULL with *error. */
struct ab_conn *ab_delivery_lane_connect(struct ab_delivery_lane *lane, struct ab_loop *loop,
					 const struct ab_conn_config *config, char *error);

/* Does to the connection what control wished for. */
void ab_delivery_lane_wish(struct ab_delivery_lane *lane);

/* Takes chunks, and begins, repeats or settles a request. *due_ns: lowered to when the lane wants to be asked again. */
void ab_delivery_lane_pump(struct ab_delivery_lane *lane, int64_t now_ns, int64_t *due_ns);
