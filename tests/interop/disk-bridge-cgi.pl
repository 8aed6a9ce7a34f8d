#!/usr/bin/perl
# A CGI program in the place of git-http-backend: hands its request to the disk bridge and its answer back, both as streams.
# Where the bridge listens stands in STEMMA_DISK_BRIDGE (http://HOST:PORT), or in the file `disk-bridge.url` beside this program, since web
# servers pass little of their environment on. Perl, because it starts in a few milliseconds and git's test scripts need it anyway.
# How it is used for git's own test scripts: docs/git-suite.md.
use strict;
use warnings;
use Socket;

binmode STDIN;
binmode STDOUT;
$SIG{PIPE} = 'IGNORE';

my ($host, $port) = address();
my $socket = dial($host, $port);
send_request($socket);
pass_answer($socket);
exit 0;

sub address {
	my $url = $ENV{STEMMA_DISK_BRIDGE};
	if (!defined $url) {
		(my $folder = $0) =~ s{[^/]*$}{};
		open(my $file, '<', "${folder}disk-bridge.url") or fail("no STEMMA_DISK_BRIDGE, and no ${folder}disk-bridge.url");
		$url = <$file>;
	}
	$url =~ m{^http://\[?([^/\]]+)\]?:(\d+)} or fail("not the bridge's URL: $url");
	return ($1, $2);
}

sub dial {
	my ($host, $port) = @_;
	socket(my $socket, PF_INET, SOCK_STREAM, getprotobyname('tcp')) or fail("socket: $!");
	connect($socket, sockaddr_in($port, inet_aton($host))) or fail("the bridge at $host:$port: $!");
	binmode $socket;
	return $socket;
}

sub encoded {
	my ($text) = @_;
	$text =~ s{([^A-Za-z0-9/._~-])}{sprintf('%%%02X', ord $1)}ge;
	return $text;
}

sub disk_path {
	my $root = $ENV{GIT_PROJECT_ROOT};
	return $ENV{PATH_TRANSLATED} // '' if !defined $root || $root eq '';
	(my $info = $ENV{PATH_INFO} // '') =~ s{^/}{};
	$root =~ s{/?$}{/};
	return $root . $info;
}

sub header_lines {
	my @lines = ('x-repo-path: ' . encoded(disk_path()));
	for my $name (sort keys %ENV) {
		next unless $name =~ /^(GIT_|REMOTE_|PATH$|HOME$|GNUPGHOME$|PERL_PATH$|LANG$|LC_ALL$)/ && $name !~ /[^A-Z0-9_]/;
		(my $header = lc $name) =~ tr/_/-/;
		push @lines, "x-env-$header: " . ($name =~ /^GIT_PROTOCOL$/ ? $ENV{$name} : encoded($ENV{$name}));
	}
	push @lines, 'x-remote-user: ' . encoded($ENV{REMOTE_USER}) if defined $ENV{REMOTE_USER};
	my %own = (CONTENT_TYPE => 'content-type', HTTP_GIT_PROTOCOL => 'git-protocol', HTTP_CONTENT_ENCODING => 'content-encoding',
		HTTP_ACCEPT => 'accept', HTTP_ACCEPT_LANGUAGE => 'accept-language', HTTP_USER_AGENT => 'user-agent');
	for my $name (sort keys %own) {
		push @lines, "$own{$name}: $ENV{$name}" if defined $ENV{$name} && $ENV{$name} ne '';
	}
	return @lines;
}

sub send_request {
	my ($socket) = @_;
	my $method = $ENV{REQUEST_METHOD} // 'GET';
	my $query = $ENV{QUERY_STRING} // '';
	my $length = $ENV{CONTENT_LENGTH};
	my @lines = header_lines();
	my $has_body = $method eq 'POST' || $method eq 'PUT';
	my $is_chunked = $has_body && (!defined $length || $length eq '');
	push @lines, $is_chunked ? 'transfer-encoding: chunked' : "content-length: $length" if $has_body;
	my $target = '/' . ($query eq '' ? '' : "?$query");
	write_all($socket, join("\r\n", "$method $target HTTP/1.1", "host: $host:$port", 'connection: close', @lines, '', ''));
	return if !$has_body;
	my $left = $is_chunked ? undef : $length;
	while (!defined $left || $left > 0) {
		my $wanted = !defined $left || $left > 65536 ? 65536 : $left;
		my $got = sysread(STDIN, my $bytes, $wanted);
		last if !$got;
		$left -= $got if defined $left;
		$bytes = sprintf("%x\r\n", $got) . $bytes . "\r\n" if $is_chunked;
		last if !write_all($socket, $bytes); # an early answer: the rest is not wanted
	}
	write_all($socket, "0\r\n\r\n") if $is_chunked;
}

my $buffer = '';

sub pass_answer {
	my ($socket) = @_;
	my $head = '';
	while ($buffer !~ /\r\n\r\n/) {
		fill($socket) or fail('the bridge gave no answer');
	}
	($head, $buffer) = split(/\r\n\r\n/, $buffer, 2);
	my ($status, @lines) = split(/\r\n/, $head);
	$status =~ s{^HTTP/1\.[01] }{} or fail("no answer of HTTP: $status");
	my $is_chunked = grep { /^transfer-encoding:\s*chunked/i } @lines;
	my ($length) = map { /^content-length:\s*(\d+)/i ? $1 : () } @lines;
	my @kept = grep { !/^(connection|keep-alive|transfer-encoding|date):/i } @lines;
	write_all(\*STDOUT, join("\r\n", "Status: $status", @kept, '', ''));
	return if ($ENV{REQUEST_METHOD} // '') eq 'HEAD';
	if ($is_chunked) { pass_chunks($socket) }
	elsif (defined $length) { pass_bytes($socket, $length) }
	else { 1 while pass_some($socket) }
}

sub pass_chunks {
	my ($socket) = @_;
	while (1) {
		while ($buffer !~ /\r\n/) { fill($socket) or return }
		$buffer =~ s/^([0-9a-fA-F]+)[^\r]*\r\n// or return;
		my $size = hex $1;
		return if $size == 0;
		pass_bytes($socket, $size) or return;
		while (length $buffer < 2) { fill($socket) or return }
		substr($buffer, 0, 2) = '';
	}
}

sub pass_bytes {
	my ($socket, $left) = @_;
	while ($left > 0) {
		if ($buffer eq '') { fill($socket) or return 0 }
		my $taken = substr($buffer, 0, $left, '');
		$left -= length $taken;
		write_all(\*STDOUT, $taken) or return 0;
	}
	return 1;
}

sub pass_some {
	my ($socket) = @_;
	if ($buffer eq '') { fill($socket) or return 0 }
	my $taken = $buffer;
	$buffer = '';
	return write_all(\*STDOUT, $taken);
}

sub fill {
	my ($socket) = @_;
	return sysread($socket, $buffer, 65536, length $buffer);
}

sub write_all {
	my ($handle, $bytes) = @_;
	my $at = 0;
	while ($at < length $bytes) {
		my $done = syswrite($handle, $bytes, 65536, $at);
		return 0 if !defined $done;
		$at += $done;
	}
	return 1;
}

sub fail {
	my ($why) = @_;
	print STDERR "disk-bridge-cgi: $why\n";
	syswrite(STDOUT, "Status: 502 Bad Gateway\r\nContent-Type: text/plain\r\n\r\n$why\n");
	exit 0;
}
