import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes RowMutation records with Apache's own Avro and Kafka client: even ones single-object encoded, odd ones framed
 * as Confluent does, every hundredth one broken in one of four ways. Usage: Produce BROKERS TOPIC SCHEMA_FILE COUNT
 */
public class Produce {
  public static void main(String[] args) throws Exception {
    Schema schema = new Schema.Parser().parse(Files.readString(Path.of(args[2])));
    int count = Integer.parseInt(args[3]);
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("linger.ms", "5");
    settings.put("compression.type", "gzip");
    try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 0; i < count; i++) {
        byte[] value = encode(schema, row(schema, i), i % 2 == 1);
        producer.send(new ProducerRecord<>(args[1], i % 100 == 99 ? broken(value, i) : value));
      }
    }
  }

  static GenericRecord row(Schema schema, int i) {
    GenericRecord row = new GenericData.Record(schema);
    row.put("table", i % 400 == 99 ? "trains" : "flights");
    row.put("op", new GenericData.EnumSymbol(schema.getField("op").schema(), "UPSERT"));
    row.put("key", Map.of("origin", "J" + i % 50, "date", "2001-02-03T04:05:06Z", "destination", "LAX", "line", (long) i));
    row.put("cells", Map.of("delay", (long) (i % 300 - 20), "distance", (long) i));
    row.put("requestId", null);
    return row;
  }

  static byte[] encode(Schema schema, GenericRecord row, boolean confluent) throws Exception {
    if (!confluent) {
      ByteBuffer bytes = new BinaryMessageEncoder<GenericRecord>(GenericData.get(), schema).encode(row);
      byte[] value = new byte[bytes.remaining()];
      bytes.get(value);
      return value;
    }
    var out = new ByteArrayOutputStream();
    out.write(new byte[] {0, 0, 0, 0, 7});
    var encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(schema).write(row, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** The first of four has an unknown table already. */
  static byte[] broken(byte[] value, int i) {
    if (i % 400 == 99) return value;
    if (i % 400 == 199) return java.util.Arrays.copyOf(value, value.length / 2);
    if (i % 400 == 299) return "no avro at all".getBytes();
    value[1] = (byte) 0xc3;
    value[0] = 1;
    return value;
  }
}
