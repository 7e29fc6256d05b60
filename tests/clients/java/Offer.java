import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** What anybody writes who has read the JDK's page: no version is set, so that HTTP/2 is offered to plain ports. */
public class Offer {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (String form : new String[] {"", "To=%2B15558675310&Body=a", "To=%2B15558675310&Body=b"}) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(arguments[0]))
                    .header("Authorization", arguments[1]);
            if (!form.isEmpty()) {
                request.header("Content-Type", "application/x-www-form-urlencoded")
                        .POST(HttpRequest.BodyPublishers.ofString(form));
            }
            HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.version() + " " + answer.body());
        }
    }
}
