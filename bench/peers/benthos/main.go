// The work of Anabranch by Benthos, which is the open-source engine of Redpanda Connect: Kafka, decode, enrich, three sinks.
// The stream is fan_out.yaml; here is what Benthos itself has not: reading Kafka (kafka.go), adding up for Redis (redis.go),
// and looking a content up (content.go). It reads so many records, and ends.
package main

import (
	"context"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func main() {
	service.RunCLI(context.Background())
}
