package main

import (
	"context"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redpanda-data/benthos/v4/public/service"
)

const windowLives = 15 * time.Minute

func init() {
	spec := service.NewConfigSpec().Fields(service.NewStringField("address"), service.NewBatchPolicyField("batching"),
		service.NewOutputMaxInFlightField())
	err := service.RegisterBatchOutput("peer_redis", spec,
		func(config *service.ParsedConfig, _ *service.Resources) (service.BatchOutput, service.BatchPolicy, int, error) {
			policy, err := config.FieldBatchPolicy("batching")
			if err != nil {
				return nil, policy, 0, err
			}
			address, err := config.FieldString("address")
			if err != nil {
				return nil, policy, 0, err
			}
			inFlight, err := config.FieldMaxInFlight()
			return &redisOutput{address: address}, policy, inFlight, err
		})
	if err != nil {
		panic(err)
	}
}

type typeSum struct{ events, hundredths int64 }

type window struct {
	types    map[string]typeSum
	contents map[string]int64
}

// redisOutput adds a batch up by minute, type and content, then sends the sums in one pipeline. Without positions beside
// them: after a failure the counters count twice, which Anabranch's do not.
type redisOutput struct {
	address string
	client  *redis.Client
}

func (out *redisOutput) Connect(context.Context) error {
	out.client = redis.NewClient(&redis.Options{Addr: out.address, DisableIdentity: true, Protocol: 2})
	return nil
}

func add(windows map[string]window, event map[string]any) {
	minute := event["minute"].(string)
	sums, there := windows[minute]
	if !there {
		sums = window{map[string]typeSum{}, map[string]int64{}}
		windows[minute] = sums
	}
	kind := event["type"].(string)
	one := sums.types[kind]
	one.events++
	if percent, has := event["percent"].(float64); has {
		hundredths := int64(math.Round(percent * 100))
		one.hundredths += hundredths
		sums.contents[event["content"].(string)] += hundredths
	}
	sums.types[kind] = one
}

func (out *redisOutput) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	windows := map[string]window{}
	for _, message := range batch {
		found, err := message.AsStructured()
		if err != nil {
			return err
		}
		add(windows, found.(map[string]any)["redis"].(map[string]any))
	}
	_, err := out.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for minute, sums := range windows {
			access, engagement := "access:by_type:window:"+minute, "engagement:by_type:window:"+minute
			content := "engagement:by_content:window:" + minute
			for kind, one := range sums.types {
				pipe.HIncrBy(ctx, access, kind, one.events)
				pipe.ZIncrBy(ctx, engagement, float64(one.hundredths)/100, kind)
			}
			for id, hundredths := range sums.contents {
				pipe.ZIncrBy(ctx, content, float64(hundredths)/100, id)
			}
			pipe.Expire(ctx, access, windowLives)
			pipe.Expire(ctx, engagement, windowLives)
			pipe.Expire(ctx, content, windowLives)
		}
		return nil
	})
	return err
}

func (out *redisOutput) Close(context.Context) error {
	return out.client.Close()
}
