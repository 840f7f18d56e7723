// Spark with Delta Lake, as a reader and writer for tests: runs the SQL statements that come on
// standard input, one a line, and prints for each one line of JSON: its rows, an object each, or
// {"error": "..."}. Times are UTC's.
import org.apache.spark.sql.SparkSession
import scala.util.{Failure, Success, Try}

object Sql {
  private def quoted(text: String): String = {
    val plain = text.map(c => if (c < ' ') ' ' else c)
    "\"" + plain.replace("\\", "\\\\").replace("\"", "\\\"") + "\""
  }

  def main(arguments: Array[String]): Unit = {
    val spark = SparkSession
      .builder()
      .master("local[2]")
      .config("spark.ui.enabled", "false")
      .config("spark.driver.host", "127.0.0.1")
      .config("spark.driver.bindAddress", "127.0.0.1")
      .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
      .config(
        "spark.sql.catalog.spark_catalog",
        "org.apache.spark.sql.delta.catalog.DeltaCatalog")
      .config("spark.sql.warehouse.dir", arguments(0))
      .config("spark.sql.session.timeZone", "UTC")
      .config("spark.sql.shuffle.partitions", "1")
      .config("spark.databricks.delta.snapshotPartitions", "1")
      // for tables as small as these, compiling queries takes longer than running them
      .config("spark.sql.codegen.wholeStage", "false")
      .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
      .config("spark.sql.adaptive.enabled", "false")
      .config("spark.sql.jsonGenerator.ignoreNullFields", "false")
      .getOrCreate()
    for (statement <- scala.io.Source.stdin.getLines() if statement.nonEmpty) {
      Try(spark.sql(statement).toJSON.collect()) match {
        case Success(rows)  => println(rows.mkString("[", ",", "]"))
        case Failure(error) => println("{\"error\":" + quoted(error.toString) + "}")
      }
    }
    spark.stop()
  }
}
