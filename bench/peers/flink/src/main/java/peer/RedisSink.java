package peer;

import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;

/** Adds up five hundred events by minute, type and content, then sends the sums in one pipeline. Without positions beside
 * them: after a failure the counters count twice, which Anabranch's do not. */
public final class RedisSink implements Sink<Event> {
    private static final int BATCH = 500;
    private static final long LIVE_SECONDS = 900;
    private final String host;
    private final int port;

    public RedisSink(String host, int port) {
        this.host = host;
        this.port = port;
    }

    @Override
    @Deprecated
    public SinkWriter<Event> createWriter(InitContext context) {
        return new Writer();
    }

    @Override
    public SinkWriter<Event> createWriter(WriterInitContext context) {
        return new Writer();
    }

    private static final class Window {
        final Map<String, long[]> types = new HashMap<>(); // events, hundredths
        final Map<String, long[]> contents = new HashMap<>();
    }

    private final class Writer implements SinkWriter<Event> {
        private final Jedis jedis = new Jedis(host, port);
        private final Map<String, Window> windows = new HashMap<>();
        private int count;

        @Override
        public void write(Event event, Context context) {
            if ("u".equals(event.op) || "d".equals(event.op)) {
                return;
            }
            Window window = windows.computeIfAbsent(event.eventTs.substring(0, 16), key -> new Window());
            String type = event.contentType == null ? "unknown" : event.contentType;
            long[] sums = window.types.computeIfAbsent(type, key -> new long[2]);
            sums[0]++;
            if (event.pctHundredths >= 0) {
                sums[1] += event.pctHundredths;
                window.contents.computeIfAbsent(event.contentId, key -> new long[1])[0] += event.pctHundredths;
            }
            if (++count == BATCH) {
                flush(false);
            }
        }

        @Override
        public void flush(boolean endOfInput) {
            if (count == 0) {
                return;
            }
            try (Pipeline pipeline = jedis.pipelined()) {
                windows.forEach((minute, window) -> put(pipeline, minute, window));
                pipeline.sync();
            }
            windows.clear();
            count = 0;
        }

        private void put(Pipeline pipeline, String minute, Window window) {
            String name = minute.replaceAll("[^0-9]", "");
            String access = "access:by_type:window:" + name;
            String engagement = "engagement:by_type:window:" + name;
            String content = "engagement:by_content:window:" + name;
            window.types.forEach((type, sums) -> {
                pipeline.hincrBy(access, type, sums[0]);
                pipeline.zincrby(engagement, sums[1] / 100.0, type);
            });
            window.contents.forEach((id, sum) -> pipeline.zincrby(content, sum[0] / 100.0, id));
            pipeline.expire(access, LIVE_SECONDS);
            pipeline.expire(engagement, LIVE_SECONDS);
            pipeline.expire(content, LIVE_SECONDS);
        }

        @Override
        public void close() {
            jedis.close();
        }
    }
}
