// Java's clients, with their defaults: HttpClient, HttpURLConnection, and Apache's, by system properties.
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Zoo {
  static final String ACCOUNT = System.getenv("ACCOUNT");
  static final String LOGIN = "Basic " + Base64.getEncoder().encodeToString(
      (ACCOUNT + ":" + System.getenv("PASSWORD")).getBytes(StandardCharsets.UTF_8));
  static final String FORM = "application/x-www-form-urlencoded";
  static final HttpClient CLIENT = HttpClient.newHttpClient();

  static String byHttpClient(String url, String form) throws Exception {
    HttpRequest.Builder builder = HttpRequest.newBuilder(URI.create(url)).header("Authorization", LOGIN);
    if (form != null) {
      builder.header("Content-Type", FORM).POST(HttpRequest.BodyPublishers.ofString(form));
    }
    return CLIENT.send(builder.build(), HttpResponse.BodyHandlers.ofString()).body();
  }

  static String byConnection(String url, String form) throws Exception {
    HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
    connection.setRequestProperty("Authorization", LOGIN);
    if (form != null) {
      connection.setDoOutput(true);
      connection.getOutputStream().write(form.getBytes(StandardCharsets.UTF_8));
    }
    try (InputStream body = connection.getInputStream()) {
      return new String(body.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  static String byApache(String url, String form) throws Exception {
    return Apache.call(url, form, LOGIN, FORM);
  }

  static String call(String url, String form) throws Exception {
    switch (System.getenv("CLIENT")) {
      case "http": return byHttpClient(url, form);
      case "url": return byConnection(url, form);
      default: return byApache(url, form);
    }
  }

  static String find(String pattern, String text) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    return found.find() ? found.group(1) : null;
  }

  public static void main(String[] arguments) throws Exception {
    String text = System.getenv("TEXT");
    String base = System.getenv("BASE");
    String host = base == null ? "https://api.twilio.com" : base;
    String path = "/2010-04-01/Accounts/" + ACCOUNT + "/Messages.json";
    String body = URLEncoder.encode(text, StandardCharsets.UTF_8);
    String made = call(host + path, "To=%2B15005550009&From=%2B15005550006&Body=" + body);
    int listed = 0;
    boolean own = false;
    for (String next = path + "?PageSize=2"; next != null && listed < 5;) {
      String page = call(host + next, null);
      listed += page.split("\"body\":", -1).length - 1;
      own |= page.contains("\"" + text + "\"");
      next = find("\"next_page_uri\": *\"([^\"]*)\"", page);
    }
    String sid = find("\"sid\": *\"(..)", made);
    System.out.printf("{\"sid\": \"%s\", \"listed\": %d, \"own\": %b}%n", sid, listed, own);
  }
}
