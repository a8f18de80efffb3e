package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.sql.DriverManager;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Decodes by Jackson's streaming parser, which skips the schema part without building it, and enriches from a map that is
 * loaded once: no tree, no look-up outside of the process. */
public final class Decode implements KafkaRecordDeserializationSchema<Event> {
    private record Content(String type, int seconds) {}

    private final String jdbc;
    private transient JsonFactory json;
    private transient Map<String, Content> contents;

    public Decode(String jdbc) {
        this.jdbc = jdbc;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) throws Exception {
        json = new JsonFactory();
        contents = new HashMap<>();
        try (var connection = DriverManager.getConnection(jdbc);
                var rows = connection.createStatement().executeQuery("SELECT id, content_type, length_seconds FROM content")) {
            while (rows.next()) {
                contents.put(rows.getString(1), new Content(rows.getString(2), rows.getInt(3)));
            }
        }
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) throws IOException {
        if (record.value() == null) {
            return;
        }
        Event event = new Event();
        event.partition = record.partition();
        event.offset = record.offset();
        event.kafkaMs = record.timestamp();
        try (JsonParser parser = json.createParser(record.value())) {
            parser.nextToken();
            readObject(parser, event);
        }
        Content content = contents.get(event.contentId);
        if (content != null) {
            event.contentType = content.type();
            if (content.seconds() > 0 && event.durationMs >= 0) {
                event.pctHundredths = Math.round(event.durationMs * 10.0 / content.seconds());
            }
        }
        out.collect(event);
    }

    private static void readObject(JsonParser parser, Event event) throws IOException {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "schema" -> parser.skipChildren();
                case "payload" -> readObject(parser, event);
                case "id" -> event.id = parser.getLongValue();
                case "content_id" -> event.contentId = parser.getValueAsString();
                case "user_id" -> event.userId = parser.getValueAsString();
                case "event_type" -> event.type = parser.getValueAsString();
                case "event_ts" -> event.eventTs = parser.getValueAsString();
                case "device" -> event.device = parser.getValueAsString();
                case "duration_ms" -> event.durationMs = value == JsonToken.VALUE_NULL ? -1 : parser.getLongValue();
                case "__op" -> event.op = parser.getValueAsString();
                case "__lsn" -> event.lsn = parser.getLongValue();
                default -> parser.skipChildren();
            }
        }
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return TypeInformation.of(Event.class);
    }
}
