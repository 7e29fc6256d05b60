// A program with Java's own HTTP clients, `http` (HttpClient with its defaults) or `url` (HttpURLConnection): it
// knows neither a proxy nor the gateway.
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Tour {
  static final String HOST = "https://api.twilio.com";
  static final String SID = System.getenv("TWILIO_ACCOUNT_SID");
  static final String LOGIN = "Basic " + Base64.getEncoder()
      .encodeToString((SID + ":" + System.getenv("TWILIO_AUTH_TOKEN")).getBytes(StandardCharsets.UTF_8));
  static final HttpClient CLIENT = HttpClient.newHttpClient();
  static boolean modern;
  static int status;

  static String ask(String method, String url, String form) throws Exception {
    String body = modern ? byHttpClient(method, url, form) : byConnection(method, url, form);
    if (status >= 400) {
      System.out.printf("{\"refused\": %d, \"message\": \"%s\"}%n", status, find("message", body));
      System.exit(3);
    }
    return body;
  }

  static String byHttpClient(String method, String url, String form) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url)).header("Authorization", LOGIN);
    if (form == null) {
      request.method(method, HttpRequest.BodyPublishers.noBody());
    } else {
      request.header("Content-Type", "application/x-www-form-urlencoded");
      request.method(method, HttpRequest.BodyPublishers.ofString(form));
    }
    HttpResponse<String> answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
    status = answer.statusCode();
    return answer.body();
  }

  static String byConnection(String method, String url, String form) throws IOException {
    HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
    connection.setRequestMethod(method);
    connection.setRequestProperty("Authorization", LOGIN);
    if (form != null) {
      connection.setDoOutput(true);
      connection.getOutputStream().write(form.getBytes(StandardCharsets.UTF_8));
    }
    status = connection.getResponseCode();
    var stream = status < 400 ? connection.getInputStream() : connection.getErrorStream();
    return stream == null ? "" : new String(stream.readAllBytes(), StandardCharsets.UTF_8);
  }

  static String find(String name, String json) {
    Matcher matcher = Pattern.compile("\"" + name + "\": ?\"([^\"]*)\"").matcher(json);
    return matcher.find() ? matcher.group(1) : null;
  }

  public static void main(String[] arguments) throws Exception {
    modern = arguments[0].equals("http");
    String messages = "/2010-04-01/Accounts/" + SID + "/Messages";
    String first = null;
    for (int number = 0; number < 5; number++) {
      String form = "To=%2B15005550006&From=%2B15005550001&Body=java+" + number;
      String sid = find("sid", ask("POST", HOST + messages + ".json", form));
      first = first == null ? sid : first;
    }
    int pages = 0;
    int listed = 0;
    for (String next = messages + ".json?PageSize=2"; next != null; pages++) {
      String page = ask("GET", HOST + next, null);
      listed += page.split("\"body\":", -1).length - 1;
      next = find("next_page_uri", page);
    }
    String one = HOST + messages + "/" + first + ".json";
    String updated = find("body", ask("POST", one, "Body="));
    ask("DELETE", one, null);
    boolean deleted = status == 204;
    String other = ask("GET", System.getenv("OTHER_URL"), null);
    System.out.printf("{\"pages\": %d, \"listed\": %d, \"updated\": \"%s\", \"deleted\": %b, \"other\": \"%s\"}%n",
        pages, listed, updated, deleted, other);
  }
}
