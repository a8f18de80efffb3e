package peer;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.utils.ParameterTool;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * The work of Anabranch as a Flink job: Kafka, decode, enrich, three sinks; written to be fast. One chain per core without a
 * shuffle or a copy between source and sinks (object reuse), Jackson's streaming parser, batches, requests in flight,
 * aggregation before Redis. Checkpoints every 30 s; at least once. It reads what the topic holds, and ends.
 */
public final class FanOut {
    private FanOut() {}

    public static void main(String[] arguments) throws Exception {
        ParameterTool p = ParameterTool.fromArgs(arguments);
        String topic = p.getRequired("topic");
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
        flink.setParallelism(p.getInt("parallelism", Runtime.getRuntime().availableProcessors()));
        flink.getConfig().enableObjectReuse();
        flink.enableCheckpointing(30_000);
        KafkaSource<Event> source = KafkaSource.<Event>builder()
                .setBootstrapServers(p.getRequired("brokers"))
                .setTopics(topic)
                .setGroupId("flink-fan-out")
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setProperty("isolation.level", "read_committed")
                .setProperty("max.poll.records", "2000")
                .setProperty("max.partition.fetch.bytes", "2097152")
                .setDeserializer(new Decode(p.getRequired("jdbc")))
                .build();
        var events = flink.fromSource(source, WatermarkStrategy.noWatermarks(), "kafka");
        events.sinkTo(new HttpSink(HttpSink.Kind.ELASTICSEARCH, p.getRequired("elasticsearch") + "/_bulk"
                + "?filter_path=took,errors,items.*.status,items.*.error.type,items.*.error.reason", topic));
        events.sinkTo(new HttpSink(HttpSink.Kind.BIGQUERY, p.getRequired("bigquery")
                + "/bigquery/v2/projects/p/datasets/d/tables/t/insertAll?prettyPrint=false", topic));
        events.sinkTo(new RedisSink(p.getRequired("redis-host"), p.getInt("redis-port")));
        flink.execute("fan-out");
    }
}
