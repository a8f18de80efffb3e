package main

import (
	"context"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

const pollRecords = 2000

func init() {
	spec := service.NewConfigSpec().Fields(service.NewStringField("brokers"), service.NewStringField("topic"),
		service.NewIntField("records"))
	err := service.RegisterBatchInput("peer_kafka", spec,
		func(config *service.ParsedConfig, _ *service.Resources) (service.BatchInput, error) {
			in := &kafkaInput{}
			var err error
			if in.brokers, err = config.FieldString("brokers"); err != nil {
				return nil, err
			}
			if in.topic, err = config.FieldString("topic"); err != nil {
				return nil, err
			}
			in.left, err = config.FieldInt("records")
			return in, err
		})
	if err != nil {
		panic(err)
	}
}

// kafkaInput reads a topic from its beginning, as the others do. Offsets are not committed: it runs once.
type kafkaInput struct {
	brokers, topic string
	left           int
	client         *kgo.Client
}

func (in *kafkaInput) Connect(context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(in.brokers), kgo.ConsumeTopics(in.topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxPartitionBytes(2<<20))
	in.client = client
	return err
}

func (in *kafkaInput) ReadBatch(ctx context.Context) (service.MessageBatch, service.AckFunc, error) {
	if in.left <= 0 {
		return nil, nil, service.ErrEndOfInput
	}
	fetches := in.client.PollRecords(ctx, pollRecords)
	if err := fetches.Err(); err != nil {
		return nil, nil, err
	}
	batch := make(service.MessageBatch, 0, fetches.NumRecords())
	fetches.EachRecord(func(record *kgo.Record) {
		message := service.NewMessage(record.Value)
		message.MetaSetMut("partition", record.Partition)
		message.MetaSetMut("offset", record.Offset)
		message.MetaSetMut("ms", record.Timestamp.UnixMilli())
		batch = append(batch, message)
	})
	in.left -= len(batch)
	return batch, func(context.Context, error) error { return nil }, nil
}

func (in *kafkaInput) Close(context.Context) error {
	if in.client != nil {
		in.client.Close()
	}
	return nil
}
