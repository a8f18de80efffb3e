package peer;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;

/** Batches of a thousand by HTTP, two requests in flight per writer; a checkpoint waits for all of them (at least once). */
public final class HttpSink implements Sink<Event> {
    public enum Kind { ELASTICSEARCH, BIGQUERY }

    private static final int BATCH = 1000;
    private static final int IN_FLIGHT = 2;
    private final Kind kind;
    private final String url;
    private final String topic;

    public HttpSink(Kind kind, String url, String topic) {
        this.kind = kind;
        this.url = url;
        this.topic = topic;
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

    private final class Writer implements SinkWriter<Event> {
        private final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        private final ArrayDeque<CompletableFuture<HttpResponse<String>>> flying = new ArrayDeque<>();
        private final StringBuilder text = new StringBuilder(1 << 20);
        private int count;

        @Override
        public void write(Event event, Context context) throws IOException {
            if (kind == Kind.ELASTICSEARCH) {
                Rows.elasticsearch(text, event);
            } else {
                text.append(count == 0 ? "{\"rows\":[" : ",");
                Rows.bigquery(text, event, topic);
            }
            if (++count == BATCH) {
                send();
            }
        }

        private void send() throws IOException {
            if (kind == Kind.BIGQUERY) {
                text.append("]}");
            }
            HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                    .header("Content-Type", kind == Kind.BIGQUERY ? "application/json" : "application/x-ndjson")
                    .POST(HttpRequest.BodyPublishers.ofByteArray(text.toString().getBytes(StandardCharsets.UTF_8)))
                    .build();
            flying.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
            text.setLength(0);
            count = 0;
            while (flying.size() >= IN_FLIGHT) {
                take();
            }
        }

        private void take() throws IOException {
            HttpResponse<String> answer = flying.remove().join();
            boolean good = answer.statusCode() == 200 && (kind == Kind.ELASTICSEARCH
                    ? answer.body().contains("\"errors\":false") : !answer.body().contains("insertErrors"));
            if (!good) {
                throw new IOException(url + ": " + answer.statusCode());
            }
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
            if (count > 0) {
                send();
            }
            while (!flying.isEmpty()) {
                take();
            }
        }

        @Override
        public void close() {}
    }
}
