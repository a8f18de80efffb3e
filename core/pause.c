/* core/pause.c — see pause.h. */
#include "core/pause.h"

void ab_pause_create(struct ab_pause *pause)
{
	AB_ASSERT(pthread_mutex_init(&pause->mutex, NULL) == 0);
	AB_ASSERT(pthread_cond_init(&pause->changed, NULL) == 0);
	atomic_init(&pause->asked, false);
	pause->standing = false;
}

void ab_pause_destroy(struct ab_pause *pause)
{
	pthread_mutex_destroy(&pause->mutex);
	pthread_cond_destroy(&pause->changed);
}

void ab_pause_begin(struct ab_pause *pause, void (*wake)(void *arg), void *arg)
{
	pthread_mutex_lock(&pause->mutex);
	atomic_store(&pause->asked, true);
	wake(arg);
	while (!pause->standing)
		pthread_cond_wait(&pause->changed, &pause->mutex);
	pthread_mutex_unlock(&pause->mutex);
}

void ab_pause_end(struct ab_pause *pause)
{
	pthread_mutex_lock(&pause->mutex);
	atomic_store(&pause->asked, false);
	pthread_cond_broadcast(&pause->changed);
	pthread_mutex_unlock(&pause->mutex);
}

void ab_pause_point(struct ab_pause *pause)
{
	if (!ab_pause_asked(pause))
		return;
	pthread_mutex_lock(&pause->mutex);
	while (atomic_load(&pause->asked)) {
		pause->standing = true;
		pthread_cond_broadcast(&pause->changed);
		pthread_cond_wait(&pause->changed, &pause->mutex);
	}
	pause->standing = false;
	pthread_mutex_unlock(&pause->mutex);
}
